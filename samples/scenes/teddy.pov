// A teddy bear: fur all around it.
#include "room.inc"
View(<0.25, 1.15, -4.2>, <0, 0.78, 0>, 27, 0.09)
#declare S = seed(7);
#macro Fur(Centre, Radii, Length, Count, Colour)
  #local N = 0;
  #while (N < Count)
    #local A = 2 * pi * rand(S);
    #local C = 2 * rand(S) - 1;
    #local Q = sqrt(1 - C * C);
    #local D = <Q * cos(A), C, Q * sin(A)>;
    #local Root = Centre + D * Radii;
    #local Bend = vnormalize(D + 0.55 * <rand(S) - 0.5, rand(S) - 0.9, rand(S) - 0.5>);
    #local L = Length * (0.5 + rand(S));
    cone {
      Root - 0.02 * D, 0.0075, Root + L * Bend, 0.0012
      #if (!Mask) pigment { rgb Colour * (0.65 + 0.6 * rand(S)) } finish { diffuse 0.75 specular 0.12 roughness 0.1 } #end
    }
    #local N = N + 1;
  #end
#end
#macro Part(Centre, Radii, Count, Colour)
  sphere { 0, 1 scale Radii translate Centre #if (!Mask) pigment { rgb Colour * 0.55 } #end }
  Fur(Centre, Radii, 0.075, Count, Colour)
#end
#declare Brown = <0.5, 0.3, 0.15>;
#declare Light = <0.72, 0.55, 0.36>;
#declare Bear = union {
  Part(<0, 0.52, 0>, <0.42, 0.5, 0.36>, 7000, Brown)
  Part(<0, 1.22, -0.05>, <0.34, 0.32, 0.31>, 5000, Brown)
  Part(<-0.29, 1.48, 0>, <0.13, 0.13, 0.07>, 1500, Brown)
  Part(<0.29, 1.48, 0>, <0.13, 0.13, 0.07>, 1500, Brown)
  Part(<-0.47, 0.72, -0.1>, <0.14, 0.32, 0.15>, 2500, Brown)
  Part(<0.5, 0.82, -0.1>, <0.32, 0.14, 0.15>, 2500, Brown)
  Part(<-0.27, 0.15, -0.4>, <0.17, 0.16, 0.36>, 2500, Brown)
  Part(<0.27, 0.15, -0.4>, <0.17, 0.16, 0.36>, 2500, Brown)
  Part(<0, 1.14, -0.32>, <0.15, 0.12, 0.11>, 1500, Light)
  sphere { <-0.12, 1.3, -0.345>, 0.036 #if (!Mask) pigment { rgb 0.01 } finish { specular 0.9 roughness 0.005 } #end }
  sphere { <0.12, 1.3, -0.345>, 0.036 #if (!Mask) pigment { rgb 0.01 } finish { specular 0.9 roughness 0.005 } #end }
  sphere { 0, 1 scale <0.055, 0.04, 0.03> translate <0, 1.19, -0.46> #if (!Mask) pigment { rgb 0.02 } finish { specular 0.8 roughness 0.01 } #end }
  rotate y * 14
}
Subject(Bear)
#if (!Mask) Room(11) #end
